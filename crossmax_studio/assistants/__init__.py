"""The studio for assistants: tools by the Model Context Protocol over the standard streams (`python -m app mcp`).

    assistant -> stdin, stdout -> server -> desk -> crossmax_studio.client -> /api/v1 of a studio

- `command` is the command line; `server` says what tools there are (it needs the package mcp, of the extra `mcp`).
- `desk` does what they ask for, by the same orders as any program: the studio's limits and its queue.
- `folder` is what of the disk the tools may read and write; `owner` keeps whose the jobs are.
- `own_studio` starts a studio where none is named, and ends it again.

Nothing here loads PyTorch: that is the studio's affair.
"""
