/** What a record names is for the ledger to say; sending and fetching ask it here. */
export { addBehind, namedBy } from '../ledger/named.ts';
