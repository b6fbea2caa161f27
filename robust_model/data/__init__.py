"""Labelled images: `datasets` reads them, `class_folders` the files of a folder with one folder for each class.

`class_match` and `kinds` say which class of the data is which of a model's.
"""
