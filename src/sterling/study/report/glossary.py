"""Definitions that a report shows where a reader rests on an abbreviation."""

GLOSSARY = {
    "ACER": "Average classification error rate: mean of APCER and BPCER",
    "APCER": "Attack presentation classification error rate: share of attacks called bona fide",
    "AUC": "Area under the ROC curve: chance that a positive scores above a negative; 0.5 is none",
    "AUROC": "Area under the ROC curve: chance that a positive scores above a negative",
    "BPCER": "Bona fide presentation classification error rate: share of bona fides called attacks",
    "EER": "Equal error rate: both error rates at the threshold where they are the same",
    "FAR": "False accept rate: share of impostors accepted",
    "FDR": "False discovery rate: expected share of a list that does not belong on it",
    "FMR": "False match rate: share of pairs of different people called the same",
    "FNMR": "False non-match rate: share of pairs of one person called different",
    "FPIR": "False positive identification rate: share of strangers named as somebody",
    "FPR": "False positive rate: share of negatives called positive",
    "HTER": "Half total error rate: mean of both error rates at a threshold chosen elsewhere",
    "IoU": "Intersection over union: shared area of two regions over the area that either covers",
    "TAR": "True accept rate: share of genuine pairs accepted",
    "TPIR": "True positive identification rate: share of known people named rightly",
    "TPR": "True positive rate: share of positives called positive",
}
