"""The 19 corruptions of ImageNet-C (Hendrycks & Dietterich, ICLR 2019)."""
