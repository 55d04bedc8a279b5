"""References that several methods rest on, as a paper lists them."""

STUDENT = "Student. The probable error of a mean. Biometrika. 1908;6:1-25."
GENERALISED_LINEAR = (
    "McCullagh P, Nelder JA. Generalized Linear Models. 2nd ed. Chapman and Hall; 1989."
)
CATEGORICAL = "Agresti A. Categorical Data Analysis. 3rd ed. Wiley; 2013."
ELEMENTS = (
    "Hastie T, Tibshirani R, Friedman J. The Elements of Statistical Learning. 2nd ed. "
    "Springer; 2009."
)
CHAINED_EQUATIONS = (
    "van Buuren S, Groothuis-Oudshoorn K. mice: multivariate imputation by chained equations in R. "
    "Journal of Statistical Software. 2011;45(3):1-67."
)
RUBINS_RULES = "Rubin DB. Multiple Imputation for Nonresponse in Surveys. Wiley; 1987."
COMBAT = (
    "Johnson WE, Li C, Rabinovic A. Adjusting batch effects in microarray expression data using "
    "empirical Bayes methods. Biostatistics. 2007;8:118-127."
)
CROSS_VALIDATION = (
    "Stone M. Cross-validatory choice and assessment of statistical predictions. Journal of the "
    "Royal Statistical Society B. 1974;36:111-147."
)
SECURE_AGGREGATION = (
    "Bonawitz K, Ivanov V, Kreuter B, et al. Practical secure aggregation for privacy-preserving "
    "machine learning. In: Computer and Communications Security (CCS 2017). p. 1175-1191."
)
