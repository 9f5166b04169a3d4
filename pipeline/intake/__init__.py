"""What arrives: whether the logs are enough, what was set aside, and tables read from a database."""
