"""The commands of `wafa`, one module each, of its name: a thin call, but for `score`, which is a night."""
