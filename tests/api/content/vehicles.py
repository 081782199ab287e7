"""Made vehicles: no such car exists. Their VINs' check digits are right, their loans add up."""

from __future__ import annotations

from datetime import date
from itertools import count
from typing import Any, Final, Literal

from api.store.content import Facts, Finance
from api.store.documents import Contact
from processing.vin import check_digit

TODAY: Final = date(2026, 11, 24)
DEALER_NAME: Final = "Riverbend Motors"
CONTACT: Final = Contact(
    phone="(512) 555-0142",
    address="1200 River Road, Austin, TX 78704",
    website="https://riverbend.example",
)

_serial = count(100_001)


def vin(start: str) -> str:
    """A VIN of a `start` of eight letters, with a serial number that no other here has."""
    draft = f"{start}0NA{next(_serial)}"
    return draft[:8] + check_digit(draft) + draft[9:]


def loan(
    price_cents: int,
    *,
    down_cents: int,
    apr_bp: int,
    months: int,
    expires_on: date = date(2027, 1, 31),
    lender: str = "",
) -> Finance:
    """What a loan of the rest of the price costs a month: the annuity formula, to the cent."""
    rate = apr_bp / 10_000 / 12
    owed = price_cents - down_cents
    monthly = owed * rate / (1 - (1 + rate) ** -months) if rate else owed / months
    return Finance(
        monthly_cents=round(monthly),
        term_months=months,
        apr_bp=apr_bp,
        down_cents=down_cents,
        lender=lender,
        expires_on=expires_on,
    )


def lease(
    monthly_cents: int, months: int, due_cents: int, *, deposit: bool, miles: int = 10_000
) -> Finance:
    return Finance(
        kind="lease",
        monthly_cents=monthly_cents,
        term_months=months,
        due_at_signing_cents=due_cents,
        deposit_required=deposit,
        annual_miles=miles,
        expires_on=date(2027, 1, 4),
    )


def car(
    start: str,
    year: int,
    make: str,
    model: str,
    trim: str = "",
    condition: Literal["new", "used", "certified"] = "used",
    **facts: Any,
) -> Facts:
    return Facts(
        vin=vin(start), year=year, make=make, model=model, trim=trim, condition=condition, **facts
    )


COMMUTER: Final = ("Apple CarPlay", "Android Auto", "Backup camera", "Bluetooth")
COMFORT: Final = ("Leather seats", "Heated front seats", "Sunroof", "Remote start")
SAFETY: Final = (
    "Blind-spot monitoring",
    "Adaptive cruise control",
    "Lane-keeping assist",
    "Automatic emergency braking",
)
FAMILY: Final = ("Third-row seating", "Power liftgate", "Rear parking sensors")
HAULING: Final = ("Tow package", "Bed liner", "Running boards")

VEHICLES: Final[dict[str, Facts]] = {
    "civic": car(
        "2HGFE2F5",
        2022,
        "Honda",
        "Civic",
        "EX",
        mileage=36_120,
        price_cents=22_995_00,
        stock_number="P4471",
        exterior="Rallye Red",
        interior="Black",
        body="Sedan",
        engine="2.0L I4",
        transmission="CVT",
        drivetrain="FWD",
        fuel="Gasoline",
        mpg_city=31,
        mpg_highway=40,
        features=(*COMMUTER, "Sunroof", "Heated front seats", "Lane-keeping assist"),
        finance=loan(22_995_00, down_cents=2_000_00, apr_bp=590, months=72),
    ),
    "civic-bare": car("2HGFE2F5", 2016, "Honda", "Civic"),
    "accord": car(
        "1HGCY1F3",
        2024,
        "Honda",
        "Accord",
        "Sport Hybrid",
        "new",
        mileage=12,
        price_cents=33_655_00,
        stock_number="N1180",
        exterior="Still Night Pearl",
        interior="Black",
        body="Sedan",
        engine="2.0L Hybrid",
        transmission="eCVT",
        drivetrain="FWD",
        fuel="Hybrid",
        mpg_city=46,
        mpg_highway=41,
        features=(*COMMUTER, *SAFETY, *COMFORT, "Alloy wheels"),
        finance=lease(329_00, 36, 3_499_00, deposit=False),
    ),
    "cr-v": car(
        "2HKRS4H7",
        2023,
        "Honda",
        "CR-V",
        "EX-L",
        "certified",
        mileage=21_804,
        price_cents=31_450_00,
        stock_number="P4502",
        exterior="Canyon River Blue",
        interior="Gray",
        body="SUV",
        drivetrain="AWD",
        features=(*COMFORT, *SAFETY, "Power liftgate", "Wireless charging"),
        finance=loan(31_450_00, down_cents=0, apr_bp=449, months=60),
    ),
    "pilot": car(
        "5FNYG1H8",
        2025,
        "Honda",
        "Pilot",
        "Touring",
        "new",
        price_cents=50_290_00,
        exterior="Platinum White",
        interior="Brown",
        body="SUV",
        engine="3.5L V6",
        transmission="10-speed automatic",
        drivetrain="AWD",
        features=(*FAMILY, *COMFORT, *SAFETY, *COMMUTER, "Premium audio", "Roof rails"),
    ),
    "hr-v": car(
        "3CZRZ2H5",
        2023,
        "Honda",
        "HR-V",
        "Sport",
        mileage=28_377,
        price_cents=23_780_00,
        exterior="Nordic Forest",
        body="SUV",
        features=(*COMMUTER, "Heated front seats"),
    ),
    "odyssey": car(
        "5FNRL6H7",
        2021,
        "Honda",
        "Odyssey",
        "EX-L",
        mileage=58_940,
        price_cents=27_600_00,
        body="Minivan",
        features=("Power sliding doors", "Third-row seating", "Leather seats", "Bluetooth"),
        finance=loan(27_600_00, down_cents=3_500_00, apr_bp=725, months=66, lender="Lonestar CU"),
    ),
    "ridgeline": car(
        "5FPYK3F5",
        2020,
        "Honda",
        "Ridgeline",
        "RTL",
        mileage=71_208,
        exterior="Obsidian Blue",
        body="Pickup",
        drivetrain="AWD",
        features=(*HAULING, "Heated front seats", "Remote start"),
    ),
    "fit": car(
        "3HGGK5H4",
        2018,
        "Honda",
        "Fit",
        "LX",
        mileage=84_016,
        price_cents=11_990_00,
        exterior="White",
        features=("Bluetooth",),
    ),
    "prologue": car(
        "3GPKHURM",
        2025,
        "Honda",
        "Prologue",
        "Elite",
        "new",
        price_cents=59_350_00,
        fuel="Electric",
        body="SUV",
        features=(*SAFETY, "Panoramic roof", "Ventilated seats", "Wireless charging"),
        finance=lease(449_00, 24, 4_999_00, deposit=True, miles=12_000),
    ),
    "camry": car(
        "4T1C11AK",
        2021,
        "Toyota",
        "Camry",
        "SE",
        mileage=45_310,
        price_cents=21_875_00,
        exterior="Celestial Silver",
        interior="Black",
        body="Sedan",
        transmission="8-speed automatic",
        features=(*COMMUTER, *SAFETY[:2]),
        finance=loan(21_875_00, down_cents=1_500_00, apr_bp=675, months=60),
    ),
    "rav4": car(
        "2T3P1RFV",
        2024,
        "Toyota",
        "RAV4",
        "XLE",
        "new",
        mileage=8,
        price_cents=34_120_00,
        exterior="Blueprint",
        body="SUV",
        drivetrain="AWD",
        mpg_city=27,
        mpg_highway=33,
        features=(*COMMUTER, *SAFETY, "Power liftgate", "Roof rails"),
        finance=loan(34_120_00, down_cents=3_000_00, apr_bp=0, months=48),
    ),
    "tacoma": car(
        "3TMCZ5AN",
        2019,
        "Toyota",
        "Tacoma",
        "TRD Off-Road",
        mileage=88_450,
        price_cents=31_999_00,
        body="Pickup",
        engine="3.5L V6",
        drivetrain="4WD",
        features=(*HAULING, "Backup camera"),
    ),
    "sienna": car(
        "5TDKRKEC",
        2023,
        "Toyota",
        "Sienna",
        "XLE",
        "certified",
        mileage=31_662,
        price_cents=42_300_00,
        fuel="Hybrid",
        mpg_city=36,
        mpg_highway=36,
        features=(*FAMILY, "Power sliding doors", "Heated front seats"),
    ),
    "corolla": car(
        "5YFB4MDE",
        2017,
        "Toyota",
        "Corolla",
        mileage=102_775,
        price_cents=10_450_00,
        features=("Backup camera", "Bluetooth", "Keyless entry"),
    ),
    "prius": car(
        "JTDACACU",
        2025,
        "Toyota",
        "Prius",
        "LE",
        "new",
        price_cents=29_485_00,
        mpg_city=57,
        mpg_highway=56,
        finance=lease(279_50, 36, 2_999_00, deposit=False),
    ),
    "f-150": car(
        "1FTFW1E8",
        2021,
        "Ford",
        "F-150",
        "Lariat",
        mileage=54_090,
        price_cents=41_750_00,
        stock_number="T2093",
        exterior="Agate Black",
        interior="Tan",
        body="Pickup",
        engine="5.0L V8",
        transmission="10-speed automatic",
        drivetrain="4WD",
        features=(*HAULING, *COMFORT, *COMMUTER, "360-degree camera", "Alloy wheels"),
        finance=loan(41_750_00, down_cents=5_000_00, apr_bp=799, months=72),
    ),
    "escape": car(
        "1FMCU9MZ",
        2022,
        "Ford",
        "Escape",
        "SEL",
        mileage=39_925,
        price_cents=22_400_00,
        exterior="Carbonized Gray",
        features=(*COMMUTER, "Power liftgate"),
    ),
    "mustang": car(
        "1FA6P8CF",
        2023,
        "Ford",
        "Mustang",
        "GT Premium",
        mileage=9_480,
        price_cents=44_900_00,
        exterior="Grabber Blue",
        interior="Red",
        body="Coupe",
        engine="5.0L V8",
        transmission="6-speed manual",
        drivetrain="RWD",
        features=("Leather seats", "Ventilated seats", "Premium audio"),
    ),
    "transit": car(
        "1FTBW2CM",
        2020,
        "Ford",
        "Transit",
        "T-250",
        mileage=67_000,
        price_cents=29_500_00,
        body="Cargo van",
        features=("Backup camera", "Cruise control"),
    ),
    "silverado": car(
        "3GCUDDED",
        2024,
        "Chevrolet",
        "Silverado 1500",
        "LT",
        "new",
        mileage=21,
        price_cents=52_615_00,
        drivetrain="4WD",
        body="Pickup",
        features=(*HAULING, "Remote start"),
        finance=loan(52_615_00, down_cents=6_000_00, apr_bp=390, months=60, lender="GM Financial"),
    ),
    "equinox": car(
        "2GNAXKEV",
        2019,
        "Chevrolet",
        "Equinox",
        "LT",
        mileage=76_431,
        price_cents=15_895_00,
    ),
    "tahoe": car(
        "1GNSKNKD",
        2022,
        "Chevrolet",
        "Tahoe",
        "Z71",
        "certified",
        mileage=44_217,
        price_cents=56_990_00,
        exterior="Black",
        engine="5.3L V8",
        drivetrain="4WD",
        features=(*FAMILY, *HAULING[::2], *COMFORT),
        finance=loan(56_990_00, down_cents=7_500_00, apr_bp=649, months=75),
    ),
    "bolt": car(
        "1G1FY6S0",
        2023,
        "Chevrolet",
        "Bolt EUV",
        "LT",
        mileage=18_344,
        price_cents=19_750_00,
        fuel="Electric",
        features=("Fast charging", "Backup camera", "Heated front seats"),
    ),
    "elantra": car(
        "KMHLM4DG",
        2024,
        "Hyundai",
        "Elantra",
        "SEL",
        "new",
        mileage=5,
        price_cents=24_150_00,
        exterior="Intense Blue",
        mpg_city=32,
        mpg_highway=41,
        features=(*COMMUTER, *SAFETY),
        finance=loan(24_150_00, down_cents=0, apr_bp=299, months=36),
    ),
    "palisade": car(
        "KM8R7DGE",
        2023,
        "Hyundai",
        "Palisade",
        "Limited",
        mileage=33_518,
        exterior="Hyper White",
        interior="Navy",
        features=(*FAMILY, *COMFORT, *SAFETY, "Premium audio", "Head-up display"),
    ),
    "telluride": car(
        "5XYP5DGC",
        2022,
        "Kia",
        "Telluride",
        "SX",
        mileage=47_266,
        price_cents=37_485_00,
        body="SUV",
        features=(*FAMILY, "Panoramic roof", "Ventilated seats"),
    ),
    "soul": car("KNDJ23AU", 2020, "Kia", "Soul", "S", mileage=63_870, price_cents=13_725_50),
    "mazda3": car(
        "JM1BPBML",
        2021,
        "Mazda",
        "3",
        "2.5 S",
        mileage=41_002,
        price_cents=20_300_00,
        exterior="Soul Red Crystal",
        body="Hatchback",
        features=("Alloy wheels", "Keyless entry", "Push-button start"),
    ),
    "outback": car(
        "4S4BTACC",
        2022,
        "Subaru",
        "Outback",
        "Premium",
        "certified",
        mileage=29_640,
        price_cents=27_940_00,
        exterior="Autumn Green",
        body="Wagon",
        drivetrain="AWD",
        features=("Roof rails", "Heated front seats", *SAFETY),
    ),
    "500e": car(
        "ZFAFFAB8",
        2024,
        "Fiat",
        "500e",
        condition="new",
        price_cents=34_095_00,
        fuel="Electric",
        features=("Fast charging", "Apple CarPlay"),
        finance=lease(199_00, 24, 1_999_00, deposit=True),
    ),
    "wrangler": car(
        "1C4HJXDG",
        2018,
        "Jeep",
        "Wrangler",
        "Rubicon",
        mileage=79_333,
        price_cents=30_250_00,
        exterior="Punk'n Orange",
        drivetrain="4WD",
        features=("Removable top", "Tow package", "Navigation"),
    ),
    "gle": car(
        "4JGFB4KB",
        2021,
        "Mercedes-Benz",
        "GLE 350",
        "4MATIC",
        "certified",
        mileage=38_115,
        price_cents=46_880_00,
        exterior="Selenite Grey",
        interior="Macchiato Beige",
        drivetrain="AWD",
        features=(*COMFORT, "Navigation", "Panoramic roof", "360-degree camera"),
        finance=loan(46_880_00, down_cents=4_688_00, apr_bp=684, months=60),
    ),
    "model-3": car(
        "5YJ3E1EA",
        2022,
        "Tesla",
        "Model 3",
        "Long Range",
        mileage=26_700,
        price_cents=31_700_00,
        fuel="Electric",
        drivetrain="AWD",
        features=("Panoramic roof", "Heated front seats", "Premium audio"),
    ),
}
"""By a name for test ids."""

HONDAS: Final = tuple(
    VEHICLES["civic"].model_copy(
        update={
            "vin": vin("2HGFE2F5"),
            "mileage": 21_000 + 1_371 * each,
            "price_cents": 24_995_00 - 23_500 * each,
            "finance": loan(24_995_00 - 23_500 * each, down_cents=1_000_00, apr_bp=590, months=72),
        }
    )
    for each in range(30)
)
"""Thirty that differ in VIN and figures alone: what copy varies the least for."""

_PLAIN: Final = VEHICLES["hr-v"]
ODD: Final[dict[str, Facts]] = {
    "template": _PLAIN.model_copy(
        update={
            "model": "{{ 7*7 }} {% raw %}",
            "trim": "{% for x in range(9) %}{{ x }}{% endfor %}",
            "features": ("{{ config }}", "{# a comment #}", "[one|other]"),
        }
    ),
    "html": _PLAIN.model_copy(
        update={
            "make": "<b>Honda</b>",
            "trim": "<script>alert(1)</script>",
            "features": ('<img src=x onerror="alert(1)">', "A & B"),
        }
    ),
    "emoji": _PLAIN.model_copy(
        update={"model": "HR-V 🚗🔥", "features": ("👨‍👩‍👧‍👦 Third-row seating", "🔥")}
    ),
    "rtl": _PLAIN.model_copy(
        update={
            "make": "هوندا",
            "model": "סיוויק",
            "exterior": "أحمر",
            "features": ("كاميرا خلفية",),
        }
    ),
    "bare": VEHICLES["civic-bare"],
    "priceless": VEHICLES["civic"].model_copy(update={"price_cents": None}),
    "featureless": VEHICLES["civic"].model_copy(update={"features": ()}),
    "contradictory": VEHICLES["civic"].model_copy(
        update={
            "finance": Finance(
                monthly_cents=99_00,
                term_months=72,
                apr_bp=590,
                down_cents=2_000_00,
                expires_on=date(2027, 1, 31),
            )
        }
    ),
    "incomplete": VEHICLES["civic"].model_copy(
        update={"finance": Finance(monthly_cents=389_00, expires_on=date(2027, 1, 31))}
    ),
    "expired": VEHICLES["civic"].model_copy(
        update={
            "finance": loan(
                22_995_00,
                down_cents=2_000_00,
                apr_bp=590,
                months=72,
                expires_on=date(2026, 11, 23),
            )
        }
    ),
    "long": _PLAIN.model_copy(
        update={
            "make": "M" * 40,
            "model": "W" * 40,
            "trim": "Wide " * 16,
            "exterior": "Very long color of paint " + "x" * 15,
            "features": tuple(
                f"{'Feature of many words ' * 3}{'abcdefghij'[each % 10] * 14}"
                for each in range(60)
            ),
            "description": "Words of the dealer. " * 238,
        }
    ),
    "wide": _PLAIN.model_copy(
        update={
            "make": "本" * 40,
            "model": "車" * 40,
            "trim": "🚗" * 80,
            "features": ("車" * 80,) * 60,
        }
    ),
    "advertised": _PLAIN.model_copy(
        update={"features": ("0% APR for 60 months", "Free maintenance", "Sunroof")}
    ),
    "hashtag": _PLAIN.model_copy(update={"model": "#1 HR-V", "features": ("#blessed",)}),
}
"""What facts can hold that copy must survive."""
