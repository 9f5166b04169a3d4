"""The commands of `wafa`, one module each, of its name: a thin call into the functions that the stages use."""
