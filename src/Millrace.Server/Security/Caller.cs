using Microsoft.AspNetCore.Http;

namespace Millrace.Server.Security;

/// <summary>Whoever makes a request, as far as was proven. Immutable, safe for concurrent use.</summary>
internal abstract class Caller
{
    /// <summary>Somebody without a name on a server that has no users: may do everything, for such a server listens on loopback only.</summary>
    public static Caller Anonymous { get; } = new AnonymousCaller();

    /// <summary>Somebody without a name on a server that has users, on a path that is open to all: may do nothing that needs a permission.</summary>
    public static Caller Nobody { get; } = new NobodyCaller();

    /// <summary>The user's name; empty for an anonymous one. Receivers belong to the name that opened them.</summary>
    public abstract string Name { get; }

    /// <summary>Whether the caller may do this with the resource of this name.</summary>
    public abstract bool May(Permission permission, ResourceKind kind, string name);

    /// <summary>Whether the caller may do this with every resource that matches a pattern, such as that of a subscription.</summary>
    public abstract bool MayAll(Permission permission, ResourceKind kind, string pattern);

    /// <summary>Whether there is any name of a resource with which the caller may do this.</summary>
    public abstract bool MayAny(Permission permission, ResourceKind kind);

    /// <summary>Whether the caller may see and do what concerns the whole node: health details, metrics, all users' receivers.</summary>
    public abstract bool IsAdministrator { get; }

    /// <summary>The caller of a request.</summary>
    public static Caller Of(HttpContext context) => context.Features.Get<Caller>() ?? Anonymous;

    private sealed class AnonymousCaller : Caller
    {
        public override string Name => "";

        public override bool IsAdministrator => true;

        public override bool May(Permission permission, ResourceKind kind, string name) => true;

        public override bool MayAll(Permission permission, ResourceKind kind, string pattern) => true;

        public override bool MayAny(Permission permission, ResourceKind kind) => true;
    }

    private sealed class NobodyCaller : Caller
    {
        public override string Name => "";

        public override bool IsAdministrator => false;

        public override bool May(Permission permission, ResourceKind kind, string name) => false;

        public override bool MayAll(Permission permission, ResourceKind kind, string pattern) => false;

        public override bool MayAny(Permission permission, ResourceKind kind) => false;
    }
}
