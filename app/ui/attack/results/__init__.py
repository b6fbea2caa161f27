"""What an attack did, as markup: `results` of one photo, with `tables` and `seeing`; `folder` of many, `descriptions`
by vision-language models.
"""
