"""Function words of the six languages, compared before stemming, in the normalised form that `tokens` gives.

Words of the trade (system, service, network, support) are left in: frequency is the epoch's business.
"""

from __future__ import annotations

_ENGLISH = """
a about above across after afterwards again against all almost alone along already also although always am among amongst
an and another any anyhow anyone anything anyway anywhere are around as at be became because become becomes becoming been
before beforehand behind being below beside besides between beyond both but by can cannot could did do does doing done
down due during each eg either else elsewhere enough etc even ever every everyone everything everywhere except few for
former formerly from further furthermore had has have having he hence her here hereby herein hers herself him himself his
how however i ie if in indeed into is it its itself just last latter least less many may me meanwhile might more moreover
most mostly much must my myself namely neither never nevertheless next no nobody none nor not nothing now nowhere of off
often on once one only onto or other others otherwise our ours ourselves out over own per perhaps please quite rather re
same several shall she should since so some somehow someone something sometime sometimes somewhere still such than that
the their theirs them themselves then thence there thereafter thereby therefore therein thereupon these they this those
though through throughout thru thus to together too toward towards two under until up upon us very via was we well were
what whatever when whence whenever where whereas whereby wherein whereupon wherever whether which while who whoever whole
whom whose why will with within without would yet you your yours yourself yourselves
"""

_FRENCH = """
a ai ainsi alors au aucun aucune aupres aussi autant autre autres aux avant avec avoir avons ayant beaucoup bien c car ce
ceci cela celle celles celui cependant ces cet cette ceux chacun chaque chez ci comme comment contre d dans de deja depuis
des desormais donc dont du durant elle elles en encore entre envers es est et etaient etait etant ete etre eu eux fait
faire furent fut grace hors ici il ils j jusque l la laquelle le lequel les lesquelles lesquels leur leurs lors lorsque
lui m ma mais malgre me meme memes mes moi moins mon n ne ni non nos notamment notre nous on ont ou outre par parce
parmi pas peu peut peuvent plus plusieurs plutot pour pourquoi pres puis qu quand que quel quelle quelles quelque quelques
quels qui quoi s sa sans sauf se selon sera seront ses si sien soit son sont sous sur t ta tandis te tel telle telles
tels tes toi ton tous tout toute toutefois toutes tres tu un une vers via voici voila vos votre vous y
"""

_SPANISH = """
a acerca ademas al algo alguna algunas alguno algunos alli ante antes aquel aquella aquellas aquellos aqui asi aun aunque
bajo bien cada casi como con contra cual cuales cualquier cuando cuanto de del demas desde despues dicha dicho donde dos
durante e el ella ellas ello ellos en entonces entre era eran eres es esa esas ese eso esos esta estaba estado estan estar
estas este esto estos fue fueron ha haber habia hace hacia han hasta hay he incluso junto la las le les lo los luego mas
me mediante mi mientras mis misma mismas mismo mismos mucha muchas mucho muchos muy nada ni ningun ninguna no nos nosotros
nuestra nuestras nuestro nuestros o os otra otras otro otros para pero poco por porque pues que quien quienes se segun ser
sera seran si sido siempre sin sino sobre solo son su sus tal tales tambien tampoco tan tanto te tiene tienen toda todas
todavia todo todos tras tu u un una unas uno unos usted y ya yo
"""

_RUSSIAN = """
а без более больше будет будут будучи бы был была были было быть в вам вас ваш весь во вот все всего всей всем всех вы где
да даже для до его ее ей ему если есть еще же за здесь и из или им ими их к как какая какой каждый ко когда которая
которого которое которой которую которые который которых кто куда ли либо лишь между меня мне много может можно мой мы на
над надо наш наша наше наши не него нее ней нет ни нибудь них но ну о об однако он она они оно от очень по под после
потом потому почти при про раз с сам свое своего своей свои своих свой свою себе себя со так также такая такие такой там
тем теперь то тогда того тоже той только том тот тут у уже хотя чего чей чем через что чтобы чье чья эта эти этим этих это
этого этой этом этот эту я
"""

_ARABIC = """
في من الي علي عن مع هذا هذه ذلك تلك التي الذي الذين اللتي ما لا لم لن ان انه انها او ام ثم قد كل كما كان كانت يكون تكون
هو هي هم هن نحن انا انت بين بعد قبل عند حتي اذا اذ لكن لكي كي غير سوي بل حيث حول خلال دون ضد تحت فوق منذ نحو وفق وفقا
ايضا اي ايه بعض جميع كافه كذلك هناك هنا هولاء اولئك له لها لهم به بها بهم فيه فيها منه منها منهم عليه عليها اليه اليها
عنه عنها و ف ب ل ك وفي ومن وعلي والي وان وهو وهي ولا وما وقد كانوا ليس ليست سوف لدي لديه لديها عبر الا اما لقد مما ممن
"""

_CHINESE = """
的 了 和 是 在 有 与 及 或 等 对 将 为 以 于 而 并 由 从 到 被 把 向 之 其 这 那 该 此 各 每 我 我们 你 你们 他 他们 她 她们 它 它们 也 都 就 还
又 再 不 没 没有 很 更 最 已 已经 正在 以及 并且 但 但是 如果 因为 所以 因此 由于 通过 根据 按照 关于 对于 为了 其中 其他 一个 一种 一些 这些 那些
这个 那个 这种 可以 能够 可 能 会 要 应 应该 必须 需 自己 什么 如何 怎样 同时 此外 例如 包括 进行 之间 之后 之前 以来 以上 以下 上 下 中 内 外 里 后 前
时 个 们 着 过 地 得 所 则 却 只 且 若 如 使 用 让 给 跟 同 比 第
"""

STOP_WORDS: dict[str, frozenset[str]] = {
    "ar": frozenset(_ARABIC.split()),
    "en": frozenset(_ENGLISH.split()),
    "es": frozenset(_SPANISH.split()),
    "fr": frozenset(_FRENCH.split()),
    "ru": frozenset(_RUSSIAN.split()),
    "zh": frozenset(_CHINESE.split()),
}
"""Function words by language; a language that is not here has none."""
