"""Many fits trained at once: where a search's tasks wait, and who trains when."""
