"""When and where: settings, files, the engine, the stages and the command line."""
