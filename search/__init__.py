"""Decides: study file, space, sampler, ASHA, trial ledger, MLflow, finalists, reproduction, command line."""
