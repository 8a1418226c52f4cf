"""The study `lrm_unlearning`: deletion requests that make a reasoning model answer wrongly."""
