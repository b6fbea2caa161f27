"""The tab of classes: `tab` puts it together, `unit_choice` asks for a channel instead of a class."""
