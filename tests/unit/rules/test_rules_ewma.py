"""What the detector that is always there finds, and of whom it says it."""

from copy import copy
from dataclasses import replace
from datetime import timedelta

import pytest

from apikeychain.model.tally import Tally
from apikeychain.rules.ewma import EWMADetector, look
from apikeychain.rules.features import FEATURES
from apikeychain.rules.learned import Learned
from apikeychain.rules.series import SETTLES
from watched_windows import Change, Life, caller, calls, features, of, settled, values


def _more(number: int, callers: int, first: int = 1000) -> Tally:
    return calls(number, callers, first)


def _add(routes: dict[str, Tally], tally: Tally, name: str = "search") -> None:
    held = routes[name]
    held.calls += tally.calls
    held.bytes_out += tally.bytes_out
    held.callers |= tally.callers
    held.callers = dict(sorted(held.callers.items(), key=lambda item: -item[1])[:16])
    held.sketch |= tally.sketch
    for mine, theirs in ((held.countries, tally.countries), (held.origins, tally.origins)):
        for key, count in theirs.items():
            mine[key] = mine.get(key, 0) + count


def _refuse(routes: dict[str, Tally]) -> None:
    routes[""] = Tally(unadmitted={"signature-refused": 900, "origin-refused": 900, "replayed": 900, "other": 900})


def _scrape(routes: dict[str, Tally]) -> None:
    _add(routes, _more(600, 1))


def _adds(number: int, callers: int, first: int = 1000) -> Change:
    return lambda routes: _add(routes, _more(number, callers, first))


def _stuff(routes: dict[str, Tally]) -> None:
    _add(routes, _more(600, 200))
    routes["search"].failures["provider-401"] = 590


def test_nothing_is_found_in_what_is_as_always() -> None:
    life = Life()
    assert not any(life.goes_on() for _ in range(500))


def test_what_is_refused_before_it_is_admitted_is_found_at_once_and_never_called_admitted() -> None:
    found = settled().goes_on(1, _refuse)
    assert features(found) == {"refused_signatures", "refused_origins", "replays", "other_refusals"}
    assert {(one.scope, one.value, one.admitted, one.blatant) for one in found} == {("project", "", False, True)}


def test_so_many_are_found_also_where_nothing_was_learned() -> None:
    assert features(Life().goes_on(1, _refuse)) == {
        "refused_signatures",
        "refused_origins",
        "replays",
        "other_refusals",
    }


def test_one_caller_is_blamed_in_its_second_window() -> None:
    life = settled()
    assert life.goes_on(1, _scrape) == []
    found = life.goes_on(1, _scrape)
    assert {(one.scope, one.value) for one in found} == {("caller", caller(1000))}
    heaviest = of(found, "heaviest")
    assert (heaviest.blatant, heaviest.admitted, heaviest.seen) == (True, True, 600)
    assert heaviest.since == heaviest.at - timedelta(minutes=1)


def test_a_batch_job_is_told_and_is_not_blatant() -> None:
    life = settled()
    life.goes_on(1, _adds(150, 1))
    found = life.goes_on(1, _adds(150, 1))
    assert {(one.feature, one.scope, one.blatant) for one in found} == {
        ("heaviest", "caller", False),
        ("rate", "caller", False),
    }


def test_one_that_is_another_in_the_next_window_is_not_blamed() -> None:
    life = settled()
    life.goes_on(1, _scrape)
    found = life.goes_on(1, lambda routes: _add(routes, _more(600, 1, 2000)))
    assert found
    assert {(one.scope, one.value, one.blatant) for one in found} == {("route", "search", False)}


@pytest.mark.parametrize("pause", [1, 5, 14])
def test_one_caller_is_blamed_again_after_a_pause_of_minutes_and_not_after_a_long_one(pause: int) -> None:
    life = settled()
    life.goes_on(1, _scrape)
    assert life.goes_on(pause) == []
    assert {one.scope for one in life.goes_on(1, _scrape)} == {"caller"}
    life.goes_on(15)
    assert life.goes_on(1, _scrape) == []


@pytest.mark.parametrize("callers", [2, 8])
def test_callers_in_turn_are_blamed_each(callers: int) -> None:
    life, blamed = settled(), set[str]()
    for minute in range(2 * callers):
        first = 1000 + minute % callers
        found = life.goes_on(1, _adds(600, 1, first))
        blamed |= {one.value for one in found if one.scope == "caller" and one.blatant}
    assert len(blamed) == callers


def test_the_callers_that_are_suspected_have_a_bound() -> None:
    life = settled()
    for minute in range(40):
        life.goes_on(1, _adds(600, 1, 1000 + minute))
    assert {len(route.suspects) for route in life.learned.routes.values()} == {8}


def test_many_callers_that_fail_on_one_route_are_found_there() -> None:
    found = settled("search", "login").goes_on(1, _stuff, of=("search", "login"))
    failed = of(found, "provider-401")
    assert (failed.scope, failed.value, failed.blatant, failed.admitted) == ("route", "search", True, True)
    assert of(found, "rate").scope == "route"
    assert "on the route search" in failed.why


def test_what_several_routes_show_is_told_of_the_project() -> None:
    def both(routes: dict[str, Tally]) -> None:
        for name in ("search", "login"):
            _add(routes, _more(600, 200), name)
            routes[name].failures["provider-other"] = 590

    found = settled("search", "login").goes_on(1, both, of=("search", "login"))
    assert (of(found, "provider-other").scope, of(found, "provider-other").value) == ("project", "")
    assert "in the project" in of(found, "provider-other").why


def test_one_origin_that_is_not_the_most_of_a_project_is_blamed() -> None:
    def change(routes: dict[str, Tally]) -> None:
        held = routes["search"]
        _add(routes, replace(_more(600, 200), origins={"https://b.example": 600}))
        held.failures["provider-401"] = 590

    found = settled().goes_on(1, change)
    assert (of(found, "provider-401").scope, of(found, "provider-401").value) == ("origin", "https://b.example")


def test_the_secret_is_told_where_the_calls_that_were_always_there_fail() -> None:
    def change(routes: dict[str, Tally]) -> None:
        routes["search"].failures["provider-401"] = routes["search"].calls

    found = settled().goes_on(1, change)
    assert [(one.feature, one.scope, one.blatant, one.admitted) for one in found] == [
        ("secret(provider-401)", "route", True, True)
    ]


def test_the_secret_is_told_of_the_project_where_calls_of_several_routes_fail() -> None:
    def change(routes: dict[str, Tally]) -> None:
        for tally in routes.values():
            tally.failures["provider-401"] = tally.calls

    found = settled("search", "login").goes_on(1, change, of=("search", "login"))
    assert {(one.feature, one.scope) for one in found} == {("secret(provider-401)", "project")}


@pytest.mark.parametrize("callers", [1, 3])
def test_what_few_callers_can_have_made_themselves_is_no_sign_of_the_secret(callers: int) -> None:
    life = settled()
    for number in range(1, 57):
        life.goes_on(3, _adds(number * callers, callers))

    def fails(routes: dict[str, Tally]) -> None:
        routes["search"] = replace(calls(10), failures={"provider-403": 56 * callers})
        _add(routes, _more(56 * callers, callers))

    found = life.goes_on(2, fails)
    assert "provider-403" in features(found)
    assert not any(one.feature.startswith("secret") for one in found)


def test_a_launch_that_is_over_a_quota_of_ours_is_a_crowd() -> None:
    def launch(routes: dict[str, Tally]) -> None:
        _add(routes, _more(2000, 1000))
        routes["search"].failures["rate-limited"] = 1400

    found = settled().goes_on(2, launch)
    assert {"rate", "rate-limited"} <= features(found)
    assert {FEATURES[one.feature].points for one in found} == {"crowd"}


def test_a_quota_that_somebody_else_uses_is_the_secret_and_one_that_growth_uses_is_not() -> None:
    def used(routes: dict[str, Tally]) -> None:
        routes["search"].failures["provider-429"] = routes["search"].calls * 2 // 3

    def grown(routes: dict[str, Tally]) -> None:
        _add(routes, _more(300, 100))
        routes["search"].failures["provider-429"] = 200

    assert features(settled().goes_on(2, used)) == {"secret(provider-429)"}
    assert {"provider-429", "secret(provider-429)"} & features(settled().goes_on(1, grown)) == {"provider-429"}


def test_a_project_of_which_little_is_seen_has_no_secret_that_is_refused() -> None:
    life = Life()

    def few(routes: dict[str, Tally]) -> None:
        routes["search"] = calls(2, 1)

    def refused(routes: dict[str, Tally]) -> None:
        routes["search"] = replace(calls(30, 10), failures={"provider-401": 30})

    life.goes_on(400, few)
    assert "provider-401" in features(life.goes_on(2, refused))


def _break(routes: dict[str, Tally]) -> None:
    _add(routes, _more(300, 200))
    routes["search"].failures["provider-5xx"] = 330


def test_while_a_provider_is_out_and_shortly_after_what_callers_do_is_no_surprise() -> None:
    life = settled()
    assert features(life.goes_on(3, _break)) == {"provider-5xx"}
    assert features(life.goes_on(5, lambda routes: _add(routes, _more(600, 200)))) <= {"provider-5xx"}
    life.goes_on(20)
    assert "callers" in features(life.goes_on(1, lambda routes: _add(routes, _more(600, 200))))


@pytest.mark.parametrize(("calls", "told"), [(600, {("heaviest", "caller", True)}), (150, set[object]())])
def test_in_an_outage_and_shortly_after_one_caller_who_is_beyond_all_is_judged_and_nobody_else(
    calls: int, told: set[object]
) -> None:
    life = settled()
    assert features(life.goes_on(1, _break)) == {"provider-5xx"}
    before = copy(life.learned.routes["search"].series["heaviest"])
    assert life.goes_on(1, _adds(calls, 1)) == []
    found = life.goes_on(1, _adds(calls, 1))
    assert {(one.feature, one.scope, one.blatant) for one in found} == told
    assert life.learned.routes["search"].series["heaviest"] == before


def test_one_caller_whose_calls_fail_is_no_outage() -> None:
    def change(routes: dict[str, Tally]) -> None:
        _scrape(routes)
        routes["search"].failures["provider-5xx"] = 590

    life = settled()
    life.goes_on(1, change)
    assert "heaviest" in features(life.goes_on(1, change))


def test_strangers_are_found_by_country_and_by_origin() -> None:
    def change(routes: dict[str, Tally]) -> None:
        _add(routes, replace(_more(600, 200), countries={"XX": 600}, origins={"https://new.example": 600}))

    found = settled().goes_on(1, change)
    assert {"new_countries", "new_origins", "rate", "callers"} <= features(found)
    assert of(found, "new_countries").seen == pytest.approx(600 / (600 + 40), abs=0.02)


def test_a_place_that_nobody_knows_is_no_new_one() -> None:
    life = settled()

    def nowhere(routes: dict[str, Tally]) -> None:
        routes["search"].countries = {"": routes["search"].calls}
        routes["search"].origins = {"": routes["search"].calls}

    assert life.goes_on(5, nowhere) == []


def test_values_are_found_by_what_they_are() -> None:
    def change(routes: dict[str, Tally]) -> None:
        _add(routes, _more(100, 50))
        routes["search"].parameters = {"q": values(140, 10_000, length=120, letters=0.1, millibits=4500)}

    found = settled().goes_on(1, change)
    assert {"new_values(q)", "length(q)", "letters(q)", "digits(q)", "entropy(q)"} <= features(found)
    length = of(found, "length(q)")
    assert length.seen == pytest.approx(120)
    assert 8 < length.expected < 120
    assert "of the parameter q" in length.why


def test_what_values_lack_is_found_too() -> None:
    found = settled().goes_on(1, lambda routes: routes["search"].parameters.update(q=values(40, letters=0.0)))
    letters = of(found, "letters(q)")
    assert letters.seen < letters.expected < 0.8


def test_parameters_that_the_route_does_not_declare_are_found() -> None:
    assert "new_names" in features(settled().goes_on(1, lambda r: r["search"].parameters.update({"": values(40)})))


def test_of_many_parameters_the_most_sent_are_judged() -> None:
    life = Life()
    many = {f"q{number}": values(10 + number) for number in range(20)}
    life.goes_on(3, lambda routes: routes["search"].parameters.update(many))
    assert set(life.learned.routes["search"].values) == {f"q{number}" for number in range(12, 20)}


def test_a_little_more_for_long_is_found() -> None:
    life = settled()

    def drip(routes: dict[str, Tally]) -> None:
        routes["search"].failures["provider-403"] = 4

    found = next(found for _ in range(120) if (found := life.goes_on(1, drip)))
    assert features(found) == {"provider-403"}
    assert not found[0].blatant
    assert found[0].at - found[0].since > timedelta(minutes=5)


def test_an_attack_does_not_teach_that_it_is_normal() -> None:
    life = settled()
    assert all(life.goes_on(1, _stuff) for _ in range(120))
    life.goes_on(10)
    assert "provider-401" in features(life.goes_on(1, _stuff))


def test_what_has_lasted_for_long_is_normal() -> None:
    life = settled()

    def launched(routes: dict[str, Tally]) -> None:
        routes["search"] = replace(calls(800, 200), parameters=routes["search"].parameters)

    assert life.goes_on(5, launched)
    life.goes_on(SETTLES + 200, launched)
    assert life.goes_on(1, launched) == []
    assert life.goes_on(20) == []


def test_growth_is_learned_while_it_grows() -> None:
    life, number = settled(), 40.0

    def growing(routes: dict[str, Tally]) -> None:
        routes["search"] = replace(calls(int(number), 10), parameters=routes["search"].parameters)

    found = []
    for _ in range(600):
        number *= 1.006
        found += life.goes_on(1, growing)
    assert number > 1000
    assert found == []


def test_a_route_that_was_not_called_for_long_may_be_called_again() -> None:
    life = settled("search", "login")
    life.goes_on(600)
    assert life.goes_on(2, of=("search", "login")) == []


def test_hours_in_which_nothing_came_are_learned_at_once() -> None:
    life = settled()
    before = life.learned.routes["search"].series["rate"].level
    life.minute += 200
    assert life.goes_on(1) == []
    assert life.learned.routes["search"].series["rate"].level < before / 2


def test_a_window_that_was_seen_tells_nothing_anew() -> None:
    life = settled()
    seen = life.window({"": Tally(unadmitted={"replayed": 900})})
    assert look(seen, life.learned)
    assert look(seen, life.learned) == ()


def test_what_was_learned_survives_as_text() -> None:
    life = settled()
    life.goes_on(1, _scrape)
    assert {one.value for one in life.written().goes_on(1, _scrape)} == {caller(1000)}


def test_an_empty_window_is_one_too() -> None:
    life = Life()
    seen = life.window({})
    assert list(EWMADetector().observe(seen, "")[0]) == []
    assert look(seen, Learned()) == []


def test_of_many_findings_the_worst_are_told() -> None:
    def all_at_once(routes: dict[str, Tally]) -> None:
        _refuse(routes)
        for name in ("a", "b", "c"):
            routes[name].failures |= dict.fromkeys(("provider-other", "refused"), routes[name].calls // 2)
            routes[name].parameters = {"q": values(80, 10_000, length=90, letters=0.1, millibits=4500)}

    found = settled("a", "b", "c").goes_on(1, all_at_once, of=("a", "b", "c"))
    assert len(found) == 8
    assert [one.blatant for one in found] == sorted((one.blatant for one in found), reverse=True)
