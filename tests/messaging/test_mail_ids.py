"""Ids of mails: their order is that of their making, whoever makes them."""

from concurrent.futures import ThreadPoolExecutor

from toril.messaging.ids import new_id

NOW = 1_790_000_000_000


def test_ids_of_one_moment_follow_each_other():
    made = [new_id(NOW) for _ in range(5_000)]
    assert made == sorted(set(made))
    assert {int(mail_id[1:12], 16) for mail_id in made} == {NOW}


def test_an_id_of_a_later_moment_is_greater_and_one_of_an_earlier_moment_is_smaller():
    first, later, earlier = new_id(NOW), new_id(NOW + 1), new_id(NOW - 1)
    assert earlier < first < later


def test_an_id_is_no_number_and_tells_nothing_of_the_next_one():
    assert not new_id(NOW).isdigit()
    distances = {int(new_id(NOW)[1:], 16) - int(new_id(NOW)[1:], 16) for _ in range(100)}
    assert len(distances) > 90


def test_threads_share_no_id():
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(new_id, [NOW] * 4_000))
    assert len(set(made)) == len(made)
