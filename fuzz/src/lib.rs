//! Fuzz targets for the parsers of foreign files.
