// Run by mongosh once mongod is up, again at each start: makes the replica set of one member and
// the node's account, which may read and write its own database and nothing else.
const { readFileSync } = require("node:fs");
const secret = (name) => readFileSync(`/run/secrets/${name}`, "utf8").trim();

const connection = new Mongo("mongodb://mongo:27017/?directConnection=true");
const admin = connection.getDB("admin");
admin.auth("root", secret("mongo_root_password"));

if (!admin.hello().setName) {
  const members = [{ _id: 0, host: "mongo:27017" }];
  admin.runCommand({ replSetInitiate: { _id: "rs0", members } });
}
for (let tries = 0; !admin.hello().isWritablePrimary; tries += 1) {
  if (tries === 60) throw new Error("mongod did not become the primary within 60 s.");
  sleep(1000);
}

const forecourt = connection.getDB("forecourt");
const account = {
  pwd: secret("mongo_password"),
  roles: [{ role: "readWrite", db: "forecourt" }],
};
if (forecourt.getUser("forecourt")) forecourt.updateUser("forecourt", account);
else forecourt.createUser({ user: "forecourt", ...account });
print("The replica set rs0 and the account forecourt are ready.");
