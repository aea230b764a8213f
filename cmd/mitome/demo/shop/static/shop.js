// The shop's page: a phone is paired, something is ordered, and all is shown.

import { pairing } from './pair.js';
import { till } from './till.js';
import { listen } from './wire.js';

pairing();
till().then((after) => listen(after ?? Number(document.body.dataset.after)));
