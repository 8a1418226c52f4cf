"""The watermark of three sets against KGW and Unigram."""
