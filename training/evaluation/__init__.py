"""What measures an encoder: tasks with known answers, on footage and on labelled pictures, and its baselines."""
