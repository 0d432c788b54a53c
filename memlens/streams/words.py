"""The words that facts are made of: keys (adjective noun), phrases (colour animal), enzymes and their sites."""

ADJECTIVES: tuple[str, ...] = tuple(
    "ancient bitter brave brief bright broken calm clever cold copper cracked curious daily damp dark deep "
    "distant dusty early eastern empty famous final flat foreign frozen gentle giant glass golden grand hidden "
    "hollow humble hungry iron late little lonely lost loud lucky marble modern narrow noble northern old paper "
    "patient plain polished proud quiet rapid rough royal rusty sacred secret sharp silent simple sleepy smooth "
    "solid southern square steady stone sturdy sunny tall thin tiny velvet warm western wild wooden young".split()
)
NOUNS: tuple[str, ...] = tuple(
    "anchor archive attic balcony barn barrel basket beacon bell bottle bridge cabin cabinet camera candle canyon "
    "castle cellar chapel chest chimney clock coach compass cottage desk dock door drawer engine factory farm "
    "ferry fountain furnace gallery garden gate greenhouse hall hammer harbor hotel island kettle kitchen ladder "
    "lamp lantern library locker market mill mine mirror museum office orchard oven palace piano pier pump quarry "
    "radio railway reactor river saddle school shed ship shop stable station statue studio temple theater tower "
    "trunk tunnel vault village wagon warehouse well windmill workshop".split()
)
COLOURS: tuple[str, ...] = tuple(
    "amber azure beige black blue brown coral cream crimson green grey indigo ivory olive orange pink purple red "
    "scarlet teal white yellow".split()
)
ANIMALS: tuple[str, ...] = tuple(
    "badger bear beaver camel cat crane deer dog eagle falcon fox goat hawk heron horse lion lynx mouse otter owl "
    "rabbit raven salmon seal swan tiger turtle whale wolf zebra".split()
)
#: Restriction enzymes and the six bases each cuts at (all palindromes: one strand is enough to look at).
SITES: dict[str, str] = {
    "EcoRI": "GAATTC",
    "BamHI": "GGATCC",
    "HindIII": "AAGCTT",
    "PstI": "CTGCAG",
    "SalI": "GTCGAC",
    "KpnI": "GGTACC",
    "NcoI": "CCATGG",
    "XhoI": "CTCGAG",
    "SmaI": "CCCGGG",
    "NdeI": "CATATG",
}
#: Where the entity task's actors go, and what they carry: all of them nouns of ``NOUNS``.
PLACES: tuple[str, ...] = tuple(
    "barn cabin castle cellar factory farm garden hall island library mill office quarry station temple theater".split()
)
PORTABLE: tuple[str, ...] = tuple(
    "anchor barrel basket bell bottle camera candle clock compass hammer kettle lamp lantern mirror radio saddle".split()
)
