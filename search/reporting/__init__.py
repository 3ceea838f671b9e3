"""What a finished study says: report, figures, and the registered champion with its card."""
