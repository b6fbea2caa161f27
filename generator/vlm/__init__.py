"""Vision-language models as victims: a chat endpoint is asked what the clean and the attacked picture show."""
