"""From a list to the files that leave: approval, contact ledger, export, opt-outs."""
