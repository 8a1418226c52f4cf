"""The study `neuron_explanation`: do units get the names of what they detect?"""
