"""What every stage and command stands on: settings, paths, errors, the engine, tracking, the lock of a run."""
