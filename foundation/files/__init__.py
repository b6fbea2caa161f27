"""Files: places that are tried before the work, texts of any encoding, folders that people bring.

- `text_files` reads and writes all text, JSON and CSV, whole or not at all; `json_lines` is a journal that grows.
- `folders` walks a user's folders, `living` those in which the program's other threads write and delete; `places` tries
  where results are to go; `read_once` keeps what a file said until it changes; `room` refuses where a disk is nearly
  full; `tables` keeps CSV harmless; `shipped` knows where the models and pictures lie that came with the program,
  `user_data` where a user's own data do.
"""
