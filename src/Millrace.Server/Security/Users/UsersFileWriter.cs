using System.Text.Encodings.Web;
using System.Text.Json;
using Millrace.Storage;

namespace Millrace.Server.Security.Users;

/// <summary>Writes a users file, indented, so that people can read and edit it.</summary>
internal static class UsersFileWriter
{
    // The file never stands in a page: letters stay letters.
    private static readonly JsonWriterOptions Indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NewLine = "\n" };

    public static void Write(Stream stream, UsersDocument document)
    {
        using var json = new Utf8JsonWriter(stream, Indented);
        json.WriteStartObject();
        json.WriteStartArray("users");
        foreach (var user in document.Users)
        {
            Write(json, user);
        }

        json.WriteEndArray();
        json.WriteStartArray("roles");
        foreach (var role in document.Roles)
        {
            Write(json, role);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        stream.Write("\n"u8);
    }

    /// <summary>What a rule allows, as the file spells it.</summary>
    public static string NameOf(Permission permission) => permission switch
    {
        Permission.Send => "send",
        Permission.Receive => "receive",
        Permission.Manage => "manage",
        _ => throw new ArgumentOutOfRangeException(nameof(permission), permission, "No permission."),
    };

    /// <summary>The members of a rule.</summary>
    public static void WriteMembers(Utf8JsonWriter json, RoleRule rule)
    {
        WriteTexts(json, "allow", rule.Allow.Select(NameOf));
        WritePatterns(json, "queues", rule.Queues);
        WritePatterns(json, "topics", rule.Topics);
        WritePatterns(json, "streams", rule.Streams);
        WritePatterns(json, "schedules", rule.Schedules);
        WritePatterns(json, "locks", rule.Locks);
        WritePatterns(json, "state", rule.State);
    }

    public static void WriteTexts(Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter json, UserEntry user)
    {
        json.WriteStartObject();
        json.WriteString("name", user.Name);
        WriteTexts(json, "roles", user.Roles);
        if (user.IsDisabled)
        {
            json.WriteBoolean("disabled", true);
        }

        if (user.Password is { } password)
        {
            json.WriteStartObject("password");
            json.WriteString("algorithm", PasswordHash.Algorithm);
            json.WriteNumber("iterations", password.Iterations);
            json.WriteBase64String("salt", password.Salt);
            json.WriteBase64String("hash", password.Hash);
            json.WriteEndObject();
        }

        json.WriteStartArray("keys");
        foreach (var key in user.Keys)
        {
            json.WriteStartObject();
            json.WriteString("name", key.Name);
            json.WriteString("id", key.Id);
            json.WriteBase64String("hash", key.Hash);
            json.WriteString("created", key.CreatedAt);
            if (key.ExpiresAt is { } expires)
            {
                json.WriteString("expires", expires);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, RoleEntry role)
    {
        json.WriteStartObject();
        json.WriteString("name", role.Name);
        json.WriteStartArray("rules");
        foreach (var rule in role.Rules)
        {
            json.WriteStartObject();
            WriteMembers(json, rule);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WritePatterns(Utf8JsonWriter json, string name, IReadOnlyList<TopicPattern> patterns)
    {
        if (patterns.Count > 0)
        {
            WriteTexts(json, name, patterns.Select(pattern => pattern.Text));
        }
    }
}
