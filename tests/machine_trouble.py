"""What may go wrong in one run of the state machine: faults on the wire, deaths, and other people meanwhile."""

from hypothesis import strategies as st

from integration_manager.kit.faults import Fault
from merchants.models import Service

LATE = 0.04  # seconds until a lost request is carried out after all
SETTLE = 0.08
NUMBERS = st.integers(0, 11)  # which of the orders there are; they are counted through
SHARES = st.sampled_from(["1", "0.5"])
POINTS = {  # marked in the engine, around its calls
    Service.DELIVER: ("before_send", "after_send"),
    Service.UPLOAD_SHIPMENTS: ("before_ship", "after_ship"),
}
LOST = (Fault.DROP_AFTER, Fault.LATE, Fault.LATE_HANG, Fault.DROP, Fault.ERROR_AFTER, Fault.TRUNCATED, Fault.GARBAGE)
OTHER = (Fault.ERROR, Fault.BAD_GATEWAY, Fault.LIMITED, Fault.TWICE, Fault.HANG)
TROUBLE = st.one_of(
    st.just(("none",)),
    st.tuples(st.just("fault"), st.sampled_from([*LOST, *LOST, *OTHER]), st.booleans()),
    st.tuples(st.just("point"), st.integers(0, 1)),
    st.tuples(st.just("statement"), st.integers(0, 24)),
    st.tuples(
        st.just("meanwhile"),
        st.integers(0, 24),
        st.sampled_from(["edit", "cancel", "reopen", "take_back", "hold", "confirm", "deliver"]),
        NUMBERS,
    ),
)
