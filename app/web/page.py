"""The page's blocks, with what comes from a browser looked at before Gradio works with it."""

import errno
import logging
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.exceptions import InvalidComponentError
from gradio.state_holder import SessionState
from gradio.utils import get_upload_folder

from app.web.answers import FULL_DISK
from app.web.cache import Cache, CacheError

log = logging.getLogger("crossmax.web")

UNFIT = "What the page sent does not fit its fields: reload the page and try again."


class UnfitError(gr.Error):
    """What a page sent does not fit its fields. The message is for the page; nothing is printed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, print_exception=False)


class Page(gr.Blocks):
    """Blocks that take files only by addresses of their own, and answer what does not fit with a sentence."""

    async def preprocess_data(
        self,
        block_fn: BlockFunction,
        inputs: list[Any],
        state: SessionState | None,
        explicit_call: bool = False,
    ) -> list[Any]:
        """Make a page's values into those that a function takes.

        Raises:
            UnfitError: they are none that the page's fields can hold.
        """
        try:
            inner = [] if inputs is None else list(inputs)
            files = Cache(Path(get_upload_folder()))
            inner = [files.inward(value) for value in inner]
            return list(await super().preprocess_data(block_fn, inner, state, explicit_call))
        except CacheError as error:
            raise UnfitError(str(error)) from error
        except InvalidComponentError:  # a fault of the page, not of what was sent
            raise
        except gr.Error as error:
            raise UnfitError(error.message) from error
        except OSError as error:
            raise UnfitError(FULL_DISK if error.errno in (errno.ENOSPC, errno.EDQUOT) else UNFIT) from error
        except Exception as error:  # whatever a forged value meets in the framework is the fault of that value
            log.info("a value that does not fit: %s", str(error).splitlines()[0][:200] if str(error) else repr(error))
            raise UnfitError(UNFIT) from error

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        """Make what a function returned into what is sent to the page."""
        sent = await super().postprocess_data(block_fn, predictions, state)
        return list(Cache(Path(get_upload_folder())).outward(sent))
