using System.Diagnostics.CodeAnalysis;

namespace Millrace;

/// <summary>What trimming must keep of the types of messages.</summary>
public static class MessageType
{
    /// <summary>The members that validation by attributes reads. Put it on type parameters that you pass on as a message's type.</summary>
    public const DynamicallyAccessedMemberTypes Members = DynamicallyAccessedMemberTypes.PublicProperties | DynamicallyAccessedMemberTypes.PublicConstructors;
}
