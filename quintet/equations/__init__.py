"""Pure functions of tensors: they see neither settings, devices, ranks nor loggers."""
