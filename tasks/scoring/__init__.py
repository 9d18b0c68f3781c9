"""From predictions to scores and paired comparisons."""
