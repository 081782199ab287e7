// The people and teams of a dealership, as far as who looks may see them: names for ids.

import { get } from "./api.js";
import { nameOf } from "./me.js";
import { text } from "./texts.js";

export const ROLES = ["admin", "manager", "coach", "salesperson"];
const PAGE = 200;
const MOST = 2000;

export class Directory {
  #people = new Map();
  #teams = new Map();
  #isWhole = true;

  /** Fetches what `me` may see; salespeople see themselves and the teams. */
  static async of(me) {
    const directory = new Directory();
    await Promise.all([directory.fetchTeams(), me.role === "salesperson" ? directory.#add([me]) : directory.fetchPeople()]);
    directory.#add([me]);
    return directory;
  }

  async fetchTeams() {
    this.#teams = new Map((await every("/teams")).items.map((team) => [team.id, team]));
  }

  async fetchPeople() {
    const { items, isWhole } = await every("/users", { sort: "email" });
    this.#people = new Map(items.map((user) => [user.id, user]));
    this.#isWhole = isWhole;
  }

  get people() { return [...this.#people.values()].sort((a, b) => nameOf(a).localeCompare(nameOf(b))); }
  get teams() { return [...this.#teams.values()].sort((a, b) => a.name.localeCompare(b.name)); }

  /** The teams that `me` may look after: an admin's are all, others' those they are in or manage. */
  mine(me) {
    return this.teams.filter(({ id, managerIds }) => me.role === "admin" || me.teamIds.includes(id) || managerIds.includes(me.id));
  }

  /** Whether everybody is in it that may be seen. */
  get isWhole() { return this.#isWhole; }

  person(id) { return this.#people.get(id) ?? null; }
  team(id) { return this.#teams.get(id) ?? null; }

  /** The name of a person or team of this id, else null. */
  name(id) {
    const [person, team] = [this.person(id), this.team(id)];
    return person ? nameOf(person) : team ? team.name : null;
  }

  #add(users) {
    for (const user of users) this.#people.set(user.id, user);
  }
}

export const roleOf = (role) => text(`page.role.${role}`);

async function every(path, query = {}) {
  const items = [];
  let total = 0;
  do {
    const part = await get(path, { ...query, offset: items.length, limit: PAGE });
    total = part.total;
    items.push(...part.items);
    if (!part.items.length) break;
  } while (items.length < Math.min(total, MOST));
  return { items, isWhole: items.length >= total };
}
