"""Who somebody is: keys of the pseudonyms, names as people paste them, where a person stands in the files."""
