"""Grids, in the tabs of texts and of classes: `section` asks for the axes and says what they cost, `panel` follows the
job beside those of single pictures, and `view` shows the cells as they come.
"""
