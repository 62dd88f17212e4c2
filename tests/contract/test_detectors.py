"""The contract of each detector of the house."""

from apikeychain.backends.forest import ForestDetector
from apikeychain.ports.detector import Detector
from apikeychain.rules.ewma import EWMADetector
from apikeychain.rules.features import vector
from apikeychain.rules.rules_detector import RulesDetector
from apikeychain.rules.watch_rules import parse_rules
from apikeychain.testing.detector import DetectorContract


class TestEWMADetector(DetectorContract):
    def detector(self) -> Detector:
        return EWMADetector()


class TestForestDetector(DetectorContract):
    def detector(self) -> Detector:
        return ForestDetector(vector)


class TestRulesDetector(DetectorContract):
    def detector(self) -> Detector:
        return RulesDetector(parse_rules(["rate > 100000 / hour", "failures >= 1000 / minute", "country in [XX]"]))
