"""The closed vocabulary of nano, how each word is said, and the grammar that makes its sentences."""

from __future__ import annotations

import hashlib
import random

# Word -> phonemes in Kokoro's alphabet (American English, after misaki's lexicon, Apache-2.0).
LEXICON = dict(
    line.split()
    for line in """
a ɐ
add ˈæd
again əɡˈɛn
am æm
and ænd
anna ˈɑnə
are ɑɹ
at æt
bedroom bˈɛdɹˌum
bread bɹˈɛd
buy bˈI
call kˈɔl
can kæn
close klˈOz
coffee kˈɔfi
cold kˈOld
day dˈA
degrees dəɡɹˈiz
did dˈɪd
do dˈu
door dˈɔɹ
down dˌWn
eight ˈAt
eleven əlˈɛvᵊn
evening ˈivnɪŋ
fan fˈæn
fifteen fˌɪftˈin
fine fˈIn
five fˈIv
for fɔɹ
forty fˈɔɹɾi
four fˈɔɹ
friday fɹˈIdˌA
garden ɡˈɑɹdən
good ɡˈʊd
goodbye ɡˌʊdbˈI
have hæv
hear hˈɪɹ
heater hˈiɾəɹ
hello həlˈO
help hˈɛlp
here hˈɪɹ
hours ˈWəɹz
how hˌW
i ˈI
in ɪn
is ɪz
it ɪt
jazz ʤˈæz
john ʤˈɑn
kitchen kˈɪʧᵊn
let lˈɛt
light lˈIt
like lˈIk
list lˈɪst
little lˈɪɾᵊl
mary mˈɛɹi
me mˌi
message mˈɛsɪʤ
milk mˈɪlk
mind mˈInd
minutes mˈɪnəts
monday mˈʌndˌA
morning mˈɔɹnɪŋ
music mjˈuzɪk
my mI
name nˈAm
never nˈɛvəɹ
night nˈIt
nine nˈIn
no nˈO
not nˌɑt
now nˈW
off ˈɔf
office ˈɔfəs
okay ˌOkˈA
on ˌɔn
one wˈʌn
open ˈOpᵊn
pause pˈɔz
peter pˈiɾəɹ
play plˈA
please plˈiz
radio ɹˈAdiˌO
remind ɹəmˈInd
rock ɹˈɑk
say sˈA
seconds sˈɛkəndz
send sˈɛnd
set sˈɛt
seven sˈɛvən
six sˈɪks
some sˌʌm
sorry sˈɔɹi
stop stˈɑp
sunday sˈʌndˌA
sunny sˈʌni
ten tˈɛn
thank θˈæŋk
that ðˈæt
the ðə
think θˈɪŋk
thirty θˈɜɹɾi
three θɹˈi
time tˈIm
timer tˈIməɹ
to tʊ
today tədˈA
tomorrow təmˈɑɹO
tonight tənˈIt
turn tˈɜɹn
twelve twˈɛlv
twenty twˈɛnti
two tˈu
uh ˈʌ
um ˈʌm
understand ˌʌndəɹstˈænd
up ˌʌp
volume vˈɑljˌum
wait wˈAt
wake wˈAk
warm wˈɔɹm
water wˈɔɾəɹ
weather wˈɛðəɹ
welcome wˈɛlkəm
well wˈɛl
what wˌʌt
will wɪl
window wˈɪndO
with wɪð
would wʊd
yes jˈɛs
you ju
your jʊɹ
zero zˈɪɹO
""".strip().splitlines()
)
WORDS = tuple(sorted(LEXICON))

_SLOTS = {
    "digit": "zero one two three four five six seven eight nine",
    "number": "one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty",
    "hour": "one two three four five six seven eight nine ten eleven twelve",
    "unit": "minutes seconds hours",
    "room": "kitchen bedroom office garden",
    "device": "light heater fan radio",
    "name": "anna john mary peter",
    "day": "today tomorrow tonight",
    "weekday": "monday friday sunday tomorrow today",
    "thing": "milk bread coffee water",
    "music": "jazz rock",
    "weather": "sunny cold warm",
    "hatch": "door window",
}
# What a person says to the assistant.
REQUESTS = (
    """
turn on the [room] [device]|turn off the [room] [device]|turn on the [device] in the [room]
turn off the [device] in the [room]|turn on the [device] please|turn off the [device] please
set a timer for [number] [unit]|set a timer for [number] [unit] please|set the [device] to [number]
set the heater to [number] degrees|what is the weather [day]|what time is it|what day is it today
how are you today|can you hear me|stop the music|pause the music|play the music please
play some [music] music|play some [music] music in the [room]|play some [music] please
turn the volume up|turn the volume down|turn the volume up a little|turn the volume down a little
call [name] now|call [name] please|call [name] tomorrow|remind me to call [name] at [hour]
remind me to buy [thing] [weekday]|add [thing] and [thing] to my list|add [thing] to the list please
wake me up at [hour] thirty|wake me up at [hour] tomorrow|wake me up at [hour] on [weekday]
send a message to [name]|send [name] a message please|my name is [name]|what is my name
open the [hatch] please|close the [hatch] please|open the [room] [hatch]|close the [room] [hatch]
i would like some [thing]|i would like some [thing] please|what is on my list|let me think
[digit] [digit] [digit]|[digit] [digit] [digit] [digit]|[digit] [digit] [digit] [digit] [digit]
yes please|no thank you|yes|no|stop|wait|okay|hello|stop please|wait a little|good morning|good night
never mind|thank you|goodbye|no stop|wait stop that|yes that is fine|no not that|please stop now
""".strip()
    .replace("\n", "|")
    .split("|")
)
# What the assistant says; the table of replies (workbench/data/nano/replies.json) is made of these.
REPLIES = (
    """
okay the timer is set for [number] [unit]|the [room] [device] is on now|the [room] [device] is off now
the weather is [weather] [day]|it is [number] degrees in the [room]|it is [hour] thirty in the morning
it is [hour] fifteen in the evening|today is [weekday]|hello how can i help you|i am fine thank you
i am sorry i did not hear you|i did not understand that|please say that again|i can hear you
you are welcome|what can i do for you|have a good day|i am here|good morning how are you
i will call [name] now|i will remind you [day]|okay i will wait|okay i will stop
i will remind you to buy [thing] [weekday]|i will remind you to call [name] at [hour]
[thing] and [thing] are on your list|the [hatch] is open now|your message to [name] is on the list
i will wake you up at [hour] thirty|here is some [music] music|good night [name]|hello [name]
what would you like|would you like some [thing]|i will set the heater to [number] degrees
""".strip()
    .replace("\n", "|")
    .split("|")
)
HESITATIONS = ("um", "uh", "well", "wait", "okay", "hello", "please", "can you")


def sentence(rng: random.Random, templates: list[str]) -> str:
    """One sentence of the grammar, lower case, without punctuation."""
    words: list[str] = []
    for part in rng.choice(templates).split():
        words.append(rng.choice(_SLOTS[part[1:-1]].split()) if part.startswith("[") else part)
    return " ".join(words)


def utterance(rng: random.Random) -> str:
    """A request (with a hesitation now and then), a reply, or a chain of any words at all."""
    kind = rng.random()
    if kind < 0.14:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(2, 6)))
    if kind < 0.30:
        return sentence(rng, REPLIES)
    text = sentence(rng, REQUESTS)
    if rng.random() < 0.2:
        text = f"{rng.choice(HESITATIONS)} {text}"
    if rng.random() < 0.06:
        words = text.split()
        words.insert(rng.randint(1, len(words)), rng.choice(("um", "uh")))
        text = " ".join(words)
    return text


def spoken_reply(rng: random.Random, chains: float = 0.25) -> str:
    """What the TTS voice learns: chains of any words (that share), replies, pairs of replies, and requests."""
    kind = rng.random()
    if kind < chains:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 9)))
    kind = (kind - chains) / (1 - chains)
    if kind < 0.4:
        return sentence(rng, REPLIES)
    if kind < 2 / 3:
        return f"{sentence(rng, REPLIES)} {sentence(rng, REPLIES)}"
    return sentence(rng, REQUESTS)


def held_out(text: str) -> bool:
    """Whether a sentence belongs to the test set: a tenth of all that have three words or more."""
    return len(text.split()) > 2 and int(hashlib.md5(text.encode()).hexdigest(), 16) % 10 == 0
