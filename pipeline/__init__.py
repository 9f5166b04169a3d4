"""When and where: settings, files, the engine, the stages and the command line."""

import warnings

# pandera imports pyspark wherever it is installed. We never hand it a frame: Arrow carries what Spark answers.
warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
