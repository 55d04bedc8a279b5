"""Runs inside NVFLARE: a job whose server asks its sites round after round."""
