"""The model of cost (`python -m robust_model cost`) beside runs that happen here: see `checking`."""
