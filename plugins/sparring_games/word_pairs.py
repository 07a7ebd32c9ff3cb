"""Pairs of words that are alike, with things that are true of each: ours, made for this.

A clue never has its own word or the other word of its pair in it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    clues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    category: str
    first: Word
    second: Word


def _word(text: str) -> Word:
    name, _, clues = text.partition(": ")
    return Word(name, tuple(clues.split("; ")))


def _pair(line: str) -> Pair:
    category, first, second = line.split("|")
    return Pair(category, _word(first), _word(second))


_TEXT = """\
fruit|apple: it can be red or green; it is crisp; it grows on a tree; a pie is made of it
    |pear: it is often green; it is soft and juicy; it grows on a tree; it is narrow at the top
fruit|orange: it is peeled before it is eaten; it is a citrus; its juice is drunk at breakfast; it is round
    |lemon: it is yellow; it is a citrus; its juice is sour; it is put into tea
fruit|strawberry: it is red; it is eaten with cream; it grows near the ground; it has seeds outside
    |cherry: it is red; it has a stone; it grows on a tree; it hangs in twos
fruit|grape: it grows in a bunch; wine is made of it; it is small and round; it can be dried
    |plum: it is purple; it has a stone; it grows on a tree; it can be dried
drink|coffee: it is drunk in the morning; it keeps people awake; it is made of beans; milk can be added
    |tea: it is drunk hot; it is made of leaves; milk can be added; it is served in a pot
drink|milk: it is white; it comes from a farm; it is poured on cereal; children drink it
    |cream: it is white; it can be whipped; it goes on a cake; it comes from a farm
drink|beer: it has foam; it is made of grain; it is drunk in a glass; it is sold in cans
    |wine: it is made of fruit; it is drunk in a glass; it gets better with age; it can be red or white
food|bread: it is baked; it is cut in slices; it is made of flour; butter goes on it
    |cake: it is baked; it is sweet; it is eaten at birthdays; it is made of flour
food|soup: it is eaten with a spoon; it is hot; it is cooked in a pot; it can have noodles
    |stew: it is cooked slowly; it is thick; it is cooked in a pot; it has pieces of meat
food|butter: it is spread; it melts; it is yellow; it is made of milk
    |cheese: it can have holes; it melts; it is made of milk; mice are said to like it
food|salt: it is white; it is put on food; it is found in the sea; it comes in a shaker
    |sugar: it is white; it is put into drinks; it is bad for teeth; it is sold in cubes
animal|cat: it is kept at home; it purrs; it hunts mice; it has whiskers
    |dog: it is kept at home; it barks; it likes walks; it fetches sticks
animal|horse: people ride on it; it eats hay; it lives in a stable; it is fast
    |donkey: people ride on it; it eats hay; it has long ears; it is said to be stubborn
animal|sheep: it gives wool; it eats grass; it lives in a flock; it is counted by the sleepless
    |goat: it eats grass; it climbs rocks; it has a beard; it gives milk
animal|frog: it jumps; it is green; it lives near a pond; it catches flies
    |toad: it lives near a pond; it has warts; it is brown; it catches flies
animal|wolf: it howls; it lives in a pack; it hunts; it has grey fur
    |fox: it is said to be clever; it has red fur; it hunts; it steals chickens
animal|eagle: it flies high; it has sharp eyes; it hunts; it builds nests on cliffs
    |owl: it flies at night; it has large eyes; it hunts; it can turn its head far
animal|bee: it has stripes; it stings; it makes honey; it lives in a hive
    |wasp: it has stripes; it stings; it builds a paper nest; it likes sweet drinks
animal|shark: it lives in the sea; it has many teeth; swimmers fear it; it has a fin
    |dolphin: it lives in the sea; it is playful; it breathes air; it has a fin
vehicle|car: it has four wheels; it needs fuel; a family owns one; it has a trunk
    |taxi: it has four wheels; it takes passengers; it is paid for; it is often yellow
vehicle|train: it runs on rails; it stops at stations; it is long; it has carriages
    |tram: it runs on rails; it stops in streets; it is found in cities; it has a bell
vehicle|bicycle: it has two wheels; it has pedals; it has a bell; it needs no fuel
    |motorcycle: it has two wheels; it is loud; it needs fuel; riders wear leather
vehicle|ship: it crosses oceans; it has a captain; it carries cargo; it has an anchor
    |ferry: it crosses a river; it carries cars; it goes back and forth; it has a captain
vehicle|airplane: it has wings; it has a pilot; it needs a runway; it has rows of seats
    |helicopter: it has a rotor; it has a pilot; it can hover; it is used for rescue
home|chair: it has four legs; one person uses it; it stands at a desk; it has a back
    |sofa: several people use it; it is soft; it stands in the living room; it has cushions
home|bed: it is used at night; it has a mattress; it stands indoors; it has pillows
    |hammock: it hangs; it swings; it is used outdoors; it is tied to trees
home|lamp: it gives light; it has a switch; it stands on a desk; it needs a bulb
    |candle: it gives light; it has a wick; it is made of wax; it burns down
home|window: it is made of glass; it can be opened; light comes through it; it has curtains
    |mirror: it is made of glass; people see themselves in it; it hangs on a wall; it is found in the bathroom
home|spoon: it is used at the table; it is made of metal; it stirs; it is used for soft food
    |fork: it is used at the table; it is made of metal; it has points; it picks up pieces
home|clock: it shows the time; it hangs on a wall; it ticks; it has hands
    |watch: it shows the time; it is worn; it ticks; it has hands
clothes|hat: it is worn on the head; it keeps off the sun; it has a brim; it is taken off indoors
    |helmet: it is worn on the head; it is hard; it protects; riders need it
clothes|glove: it is worn in winter; it has fingers; it comes in pairs; it keeps hands warm
    |sock: it is worn in shoes; it comes in pairs; it gets lost in the wash; it can have holes
clothes|coat: it is worn in winter; it has buttons; it is long; it hangs in the hall
    |shirt: it has buttons; it has a collar; it is ironed; it is worn with a tie
clothes|shoe: it has laces; it comes in pairs; it has a sole; it is worn outside
    |boot: it comes in pairs; it has a sole; it is high; it is worn in mud
nature|river: it flows; fish live in it; it has banks; bridges cross it
    |lake: it is still; fish live in it; boats are rowed on it; it freezes in winter
nature|rain: it falls from clouds; it is wet; it makes puddles; an umbrella helps
    |snow: it falls from clouds; it is white; it is cold; children build men of it
nature|sun: it is bright; it is in the sky; it is seen by day; it gives warmth
    |moon: it is bright; it is in the sky; it is seen at night; it changes its shape
nature|forest: it has many trees; birds live in it; people get lost in it; it is dark
    |park: it has some trees; it has benches; it lies in a city; children play in it
nature|mountain: it is high; it has a top; climbers like it; it is covered with ice
    |hill: it can be walked up; it has a top; it is green; it is lower than others
music|piano: it has keys; it is heavy; it has pedals; it is black and white
    |guitar: it has six strings; it is carried on the back; it is played at a campfire; it has a neck
music|violin: it has strings; it is played with a bow; it is held under the chin; it is small
    |cello: it has strings; it is played with a bow; it is played sitting; it is large
music|drum: it is beaten; it is loud; it keeps the rhythm; it is round
    |bell: it is rung; it is loud; it hangs in a tower; it is made of bronze
sport|football: it is played with the feet; it has two teams; it has a goal; it has a referee
    |basketball: it is played with the hands; it has two teams; it has a hoop; tall players like it
sport|tennis: it is played over a net; it needs a racket; it has a yellow ball; it is played on clay
    |badminton: it is played over a net; it needs a racket; its ball has feathers; it is played indoors
sport|swimming: it is done in water; it needs goggles; it is done in lanes; it uses arms and legs
    |rowing: it is done in a boat; it needs oars; it is done in lanes; it uses arms and legs
work|doctor: people go there when ill; there is a white coat; there is a waiting room; medicine is prescribed
    |dentist: people are afraid of it; there is a white coat; there is a waiting room; it is about teeth
work|teacher: works in a school; writes on a board; gives marks; has long holidays
    |librarian: works among books; asks for silence; lends things; stamps cards
work|baker: gets up early; works with dough; has an oven; sells rolls
    |cook: works in a kitchen; wears a white hat; has an oven; prepares meals
work|painter: uses a brush; works with colours; stands at an easel; sells in galleries
    |sculptor: uses a chisel; works with stone; makes statues; sells in galleries
work|pilot: wears a uniform; works in the sky; speaks to passengers; sits in a cockpit
    |captain: wears a uniform; works at sea; gives orders; stands on a bridge
"""

PAIRS = tuple(_pair(line) for line in _TEXT.replace("\n    |", "|").splitlines())
CATEGORIES = tuple(dict.fromkeys(pair.category for pair in PAIRS))
