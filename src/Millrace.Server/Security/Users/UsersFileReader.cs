using System.Globalization;
using System.Text.Json;
using Millrace.Configuration;
using Millrace.Storage;

namespace Millrace.Server.Security.Users;

/// <summary>Reads a users file. Every fault names the file and the line; nothing of a password or key is repeated.</summary>
internal ref struct UsersFileReader
{
    private static readonly string[] DocumentFields = ["users", "roles"];
    private static readonly string[] UserFields = ["name", "password", "keys", "roles", "disabled"];
    private static readonly string[] PasswordFields = ["algorithm", "iterations", "salt", "hash"];
    private static readonly string[] KeyFields = ["name", "id", "hash", "created", "expires"];
    private static readonly string[] RoleFields = ["name", "rules"];
    private static readonly string[] RuleFields = ["allow", "queues", "topics", "streams", "schedules", "locks", "state"];

    private static readonly string[] PermissionNames = ["send", "receive", "manage"];

    private readonly string _path;
    private readonly ReadOnlySpan<byte> _text;
    private Utf8JsonReader _json;

    private UsersFileReader(string path, ReadOnlySpan<byte> text)
    {
        _path = path;
        _text = text;
        _json = new Utf8JsonReader(text);
    }

    /// <summary>Reads the text of the file at <paramref name="path"/>.</summary>
    /// <exception cref="MillraceConfigurationException">It is no users file.</exception>
    public static UsersDocument Read(string path, ReadOnlySpan<byte> text)
    {
        var reader = new UsersFileReader(path, text.StartsWith("\uFEFF"u8) ? text[3..] : text);
        try
        {
            return reader.ReadDocument();
        }
        catch (JsonException exception)
        {
            // What follows in the message is the position again, counted from 0.
            var reason = exception.Message.Split(" LineNumber:")[0].TrimEnd('.');
            throw new MillraceConfigurationException(
                string.Create(CultureInfo.InvariantCulture, $"The users file {path} is not JSON, line {exception.LineNumber + 1}: {reason}."), exception);
        }
        catch (InvalidOperationException exception)
        {
            // The JSON reader's word for a string that is not UTF-8, or holds half a surrogate pair.
            throw new MillraceConfigurationException($"The users file {path} has a text that is not Unicode, line {reader.Line}.", exception);
        }
    }

    /// <summary>The line of the token that was read last.</summary>
    private readonly int Line => 1 + _text[..(int)Math.Min(_json.TokenStartIndex, _text.Length)].Count((byte)'\n');

    private UsersDocument ReadDocument()
    {
        var users = new List<UserEntry>();
        var roles = new List<RoleEntry>();
        var roleUses = new List<(string Role, int Line)>();
        var seen = 0;
        Next();
        Begin("The file");
        while (NextField("The file", DocumentFields, ref seen) is { } field)
        {
            BeginArray(field);
            while (NextItem())
            {
                if (field == "users")
                {
                    users.Add(ReadUser(users, roleUses));
                }
                else
                {
                    roles.Add(ReadRole(roles));
                }
            }
        }

        if (_json.Read())
        {
            throw Fault("something follows the end of the document");
        }

        // Roles may stand after the users who have them.
        var document = new UsersDocument(users, roles);
        foreach (var (role, line) in roleUses)
        {
            if (!document.RoleNames.Contains(role))
            {
                throw FaultAt(line, $"there is no role '{role}'{Meant(role, document.RoleNames)}");
            }
        }

        return document;
    }

    private UserEntry ReadUser(List<UserEntry> others, List<(string Role, int Line)> roleUses)
    {
        string? name = null;
        var user = new UserEntry { Name = "" };
        var seen = 0;
        var line = Line;
        Begin("A user");
        while (NextField("A user", UserFields, ref seen) is { } field)
        {
            switch (field)
            {
                case "name":
                    name = ReadName("user");
                    break;
                case "password":
                    user = user with { Password = _json.TokenType == JsonTokenType.Null ? null : ReadPassword() };
                    break;
                case "keys":
                    user = user with { Keys = ReadKeys(others) };
                    break;
                case "roles":
                    user = user with { Roles = ReadRoleNames(roleUses) };
                    break;
                default:
                    user = user with { IsDisabled = ReadBoolean(field) };
                    break;
            }
        }

        name = Required(name, "A user", "name", line);
        return others.Any(other => other.Name == name) ? throw FaultAt(line, $"there are two users '{name}'") : user with { Name = name };
    }

    private PasswordHash ReadPassword()
    {
        string? algorithm = null;
        int? iterations = null;
        byte[]? salt = null, hash = null;
        var seen = 0;
        var line = Line;
        Begin("A password");
        while (NextField("A password", PasswordFields, ref seen) is { } field)
        {
            switch (field)
            {
                case "algorithm":
                    algorithm = ReadText(field);
                    if (algorithm != PasswordHash.Algorithm)
                    {
                        throw Fault($"there is no algorithm '{algorithm}', only {PasswordHash.Algorithm}");
                    }

                    break;
                case "iterations":
                    iterations = ReadNumber(field, 1, PasswordHash.MaxIterations);
                    break;
                case "salt":
                    salt = ReadBytes(field, PasswordHash.MinSaltBytes, PasswordHash.MaxSaltBytes);
                    break;
                default:
                    hash = ReadBytes(field, PasswordHash.HashBytes, PasswordHash.HashBytes);
                    break;
            }
        }

        Required(algorithm, "A password", "algorithm", line);
        return new PasswordHash(
            iterations ?? throw Missing("A password", "iterations", line),
            Required(salt, "A password", "salt", line),
            Required(hash, "A password", "hash", line));
    }

    private List<BearerKey> ReadKeys(List<UserEntry> others)
    {
        var keys = new List<BearerKey>();
        BeginArray("keys");
        while (NextItem())
        {
            var line = Line;
            var key = ReadKey();
            if (keys.Any(other => other.Name == key.Name))
            {
                throw FaultAt(line, $"there are two keys '{key.Name}' of one user");
            }

            if (keys.Concat(others.SelectMany(user => user.Keys)).Any(other => other.Id == key.Id))
            {
                throw FaultAt(line, $"there are two keys with the id {key.Id}");
            }

            keys.Add(key);
        }

        return keys;
    }

    private BearerKey ReadKey()
    {
        string? name = null, id = null;
        byte[]? hash = null;
        DateTimeOffset? created = null, expires = null;
        var seen = 0;
        var line = Line;
        Begin("A key");
        while (NextField("A key", KeyFields, ref seen) is { } field)
        {
            switch (field)
            {
                case "name":
                    name = ReadName("key");
                    break;
                case "id":
                    id = ReadText(field);
                    if (!BearerKey.IsId(id))
                    {
                        throw Fault($"the id of a key is {BearerKey.IdCharacters} hexadecimal digits, in small letters");
                    }

                    break;
                case "hash":
                    hash = ReadBytes(field, BearerKey.HashBytes, BearerKey.HashBytes);
                    break;
                case "created":
                    created = ReadTime(field);
                    break;
                default:
                    expires = _json.TokenType == JsonTokenType.Null ? null : ReadTime(field);
                    break;
            }
        }

        return new BearerKey(
            Required(name, "A key", "name", line),
            Required(id, "A key", "id", line),
            Required(hash, "A key", "hash", line),
            created ?? throw Missing("A key", "created", line),
            expires);
    }

    private List<string> ReadRoleNames(List<(string Role, int Line)> roleUses)
    {
        var names = new List<string>();
        BeginArray("roles");
        while (NextItem())
        {
            var name = ReadText("roles");
            roleUses.Add((name, Line));
            if (!names.Contains(name))
            {
                names.Add(name);
            }
        }

        return names;
    }

    private RoleEntry ReadRole(List<RoleEntry> others)
    {
        string? name = null;
        var rules = new List<RoleRule>();
        var seen = 0;
        var line = Line;
        Begin("A role");
        while (NextField("A role", RoleFields, ref seen) is { } field)
        {
            if (field == "name")
            {
                name = ReadName("role");
                continue;
            }

            BeginArray(field);
            while (NextItem())
            {
                rules.Add(ReadRule());
            }
        }

        name = Required(name, "A role", "name", line);
        if (name == RoleEntry.Administrator)
        {
            throw FaultAt(line, $"the role '{RoleEntry.Administrator}' is built in and cannot be defined");
        }

        return others.Any(other => other.Name == name) ? throw FaultAt(line, $"there are two roles '{name}'") : new RoleEntry(name, rules);
    }

    private RoleRule ReadRule()
    {
        var rule = new RoleRule { Allow = [] };
        var seen = 0;
        var line = Line;
        Begin("A rule");
        while (NextField("A rule", RuleFields, ref seen) is { } field)
        {
            rule = field switch
            {
                "allow" => rule with { Allow = ReadPermissions() },
                "queues" => rule with { Queues = ReadPatterns(field) },
                "topics" => rule with { Topics = ReadPatterns(field) },
                "streams" => rule with { Streams = ReadPatterns(field) },
                "schedules" => rule with { Schedules = ReadPatterns(field) },
                "locks" => rule with { Locks = ReadPatterns(field) },
                _ => rule with { State = ReadPatterns(field) },
            };
        }

        // A rule that allows nothing is a mistake that nobody would notice.
        return rule.Allow.Count > 0 ? rule : throw Missing("A rule", "allow", line);
    }

    private List<Permission> ReadPermissions()
    {
        var permissions = new List<Permission>();
        BeginArray("allow");
        while (NextItem())
        {
            var name = ReadText("allow");
            var index = Array.IndexOf(PermissionNames, name);
            permissions.Add(index >= 0
                ? (Permission)index
                : throw Fault($"there is no permission '{name}', only {string.Join(", ", PermissionNames)}{Meant(name, PermissionNames)}"));
        }

        return permissions;
    }

    private List<TopicPattern> ReadPatterns(string field)
    {
        var patterns = new List<TopicPattern>();
        BeginArray(field);
        while (NextItem())
        {
            try
            {
                patterns.Add(TopicPattern.Parse(ReadText(field)));
            }
            catch (InvalidNameException exception)
            {
                throw Fault(exception.Message.TrimEnd('.'));
            }
        }

        return patterns;
    }

    private string ReadName(string kind)
    {
        var name = ReadText("name");
        return UserNames.FaultOf(kind, name) is { } fault ? throw Fault(char.ToLowerInvariant(fault[0]) + fault[1..].TrimEnd('.')) : name;
    }

    private readonly string ReadText(string field) =>
        _json.TokenType == JsonTokenType.String ? _json.GetString()! : throw Fault($"'{field}' takes a text");

    private readonly bool ReadBoolean(string field) => _json.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        _ => throw Fault($"'{field}' takes true or false"),
    };

    private readonly int ReadNumber(string field, int minimum, int maximum) =>
        _json.TokenType == JsonTokenType.Number && _json.TryGetInt32(out var number) && number >= minimum && number <= maximum
            ? number
            : throw Fault(string.Create(CultureInfo.InvariantCulture, $"'{field}' takes a whole number from {minimum:N0} to {maximum:N0}"));

    private readonly byte[] ReadBytes(string field, int minimum, int maximum) =>
        _json.TokenType == JsonTokenType.String && _json.TryGetBytesFromBase64(out var bytes) && bytes.Length >= minimum && bytes.Length <= maximum
            ? bytes
            : throw Fault($"'{field}' takes Base64 of {(minimum == maximum ? $"{minimum}" : $"{minimum} to {maximum}")} bytes");

    private readonly DateTimeOffset ReadTime(string field) =>
        _json.TokenType == JsonTokenType.String && _json.TryGetDateTimeOffset(out var time)
            ? time
            : throw Fault($"'{field}' takes a time such as 2030-01-31T12:00:00Z");

    private void Next()
    {
        if (!_json.Read())
        {
            throw Fault("the file ends too early");
        }
    }

    private readonly void Begin(string what)
    {
        if (_json.TokenType != JsonTokenType.StartObject)
        {
            throw Fault($"{Lower(what)} is an object in braces");
        }
    }

    private readonly void BeginArray(string field)
    {
        if (_json.TokenType != JsonTokenType.StartArray)
        {
            throw Fault($"'{field}' takes a list in brackets");
        }
    }

    private bool NextItem()
    {
        Next();
        return _json.TokenType != JsonTokenType.EndArray;
    }

    /// <summary>Moves to the value of an object's next field; null at its end.</summary>
    private string? NextField(string what, string[] known, ref int seen)
    {
        Next();
        if (_json.TokenType == JsonTokenType.EndObject)
        {
            return null;
        }

        var name = _json.GetString()!;
        var index = Array.IndexOf(known, name);
        if (index < 0)
        {
            throw Fault($"{Lower(what)} has no field '{name}', only {string.Join(", ", known)}{Meant(name, known)}");
        }

        if ((seen & (1 << index)) != 0)
        {
            throw Fault($"the field '{name}' stands there twice");
        }

        seen |= 1 << index;
        Next();
        return name;
    }

    private readonly TValue Required<TValue>(TValue? value, string what, string field, int line)
        where TValue : class => value ?? throw Missing(what, field, line);

    private readonly MillraceConfigurationException Missing(string what, string field, int line) => FaultAt(line, $"{Lower(what)} needs '{field}'");

    private readonly MillraceConfigurationException Fault(string what) => FaultAt(Line, what);

    private readonly MillraceConfigurationException FaultAt(int line, string what) =>
        new(string.Create(CultureInfo.InvariantCulture, $"The users file {_path} is wrong, line {line}: {what}."));

    private static string Lower(string what) => char.ToLowerInvariant(what[0]) + what[1..];

    private static string Meant(string name, IEnumerable<string> known) => NearestName.Of(name, known) is { } nearest ? $"; did you mean '{nearest}'?" : "";
}
