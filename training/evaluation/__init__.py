"""Measure an encoder and its baselines: on footage, on labelled pictures, by fine-tuning."""
