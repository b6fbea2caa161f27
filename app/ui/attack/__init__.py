"""The tab of attacks: `tab` puts it together.

`photo`, `targets`, `truth`, `models`, `presets` and `change` ask; `folder` attacks many photos, `describing` asks
vision-language models; `panel` follows the job, and the package `results` shows what came out.
"""
