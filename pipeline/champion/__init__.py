"""The model that scores every night: which one it is, and whether another may take its place."""
