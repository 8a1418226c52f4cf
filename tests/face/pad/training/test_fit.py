"""Part crops are fitted with the objective of their own, any other network with label maps."""

from sterling.face.capture import Scale, simulate
from sterling.face.pad import TrainConfig, train
from sterling.face.pad.networks.part_crops import PartCrops, PartSupervision
from sterling.face.pad.training.fit import fit, target_maps


def test_part_crops_are_fitted_by_their_own_objective() -> None:
    faces = simulate("masks_challenge", seed=0, size=64, scale=Scale((2, 1, 1), (8, 2, 6))).faces()
    training, config = faces.split("train"), TrainConfig(epochs=2, batch_size=4, seed=3)
    found = fit(PartCrops(10, 2, seed=0), training, config, label="constant")
    network = PartCrops(10, 2, seed=0)
    maps = target_maps(network, training, "constant")
    objective = PartSupervision(augmented=config.augment)
    expected = train(network, training.images, maps, config, objective=objective)
    assert found.epochs == expected.epochs
    without = train(PartCrops(10, 2, seed=0), training.images, maps, config)
    assert found.epochs != without.epochs
