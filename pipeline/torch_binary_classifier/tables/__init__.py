"""Tables in files, block by block; knows no model."""
