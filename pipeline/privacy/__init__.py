"""What a person may ask for: an account of what is held, erasure; and the change of the key."""
